/* Restores the missing part of a face by the project's own C libraries, without a runtime:
 * restore FACES.search FACE.ppm HOLE.pgm OUT.ppm, as `faceinpaint export MODEL -o FACES.search` and the programs of
 * examples/onnx have them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faceinpaint_blend.h"
#include "faceinpaint_search.h"

static void expect(int holds, const char* what, const char* told) {
    if (holds) return;
    fprintf(stderr, "%s: expected %s\n", what, told);
    exit(2);
}

/* all bytes of a file */
static unsigned char* whole(const char* path, size_t* bytes) {
    FILE* file = fopen(path, "rb");
    expect(file && fseek(file, 0, SEEK_END) == 0, path, "a file that can be read");
    *bytes = (size_t)ftell(file);
    unsigned char* content = malloc(*bytes + 1);
    rewind(file);
    expect(content && fread(content, 1, *bytes, file) == *bytes, path, "a file that can be read");
    fclose(file);
    return content;
}

/* the pixels of a P5 or P6 of a size, one after the other */
static unsigned char* pixels(const char* path, const char* kind, int size, size_t count) {
    FILE* file = fopen(path, "rb");
    unsigned char* found = malloc(count);
    char magic[3], told[64];
    int width, height, white;
    snprintf(told, sizeof told, "%s of %d pixels a side with 256 levels", kind, size);
    expect(file && fscanf(file, "%2s %d %d %d", magic, &width, &height, &white) == 4 && fgetc(file) != EOF, path, told);
    expect(!strcmp(magic, kind) && width == size && height == size && white == 255, path, told);
    expect(found && fread(found, 1, count, file) == count, path, told);
    fclose(file);
    return found;
}

int main(int count, char** arguments) {
    expect(count == 5, arguments[0], "FACES.search FACE.ppm HOLE.pgm OUT.ppm");
    size_t bytes;
    unsigned char* content = whole(arguments[1], &bytes);
    faceinpaint_search* search = faceinpaint_search_open(content, bytes);
    expect(search != NULL, arguments[1], "what faceinpaint export wrote");
    free(content);
    const int size = faceinpaint_search_size(search), area = size * size;
    unsigned char* face = pixels(arguments[2], "P6", size, 3 * area);
    unsigned char* missing = pixels(arguments[3], "P5", size, area);
    float *image = malloc(3 * area * sizeof(float)), *found = malloc(3 * area * sizeof(float));
    expect(image && found, arguments[2], "memory for it");
    /* planes, one behind the other */
    for (int i = 0; i < 3 * area; ++i) image[i] = face[i % area * 3 + i / area] / 255.0f;
    for (int i = 0; i < area; ++i) missing[i] = missing[i] >= 128;

    const int outcome = faceinpaint_search_run(search, image, missing, 1, found);
    expect(outcome == FACEINPAINT_FOUND, arguments[2], "a face that can be searched");
    const double tension = faceinpaint_search_tension(search);
    const int blended = faceinpaint_blend(image, found, missing, 3, size, size, tension, image);
    expect(blended == FACEINPAINT_BLENDED, arguments[3], "known and missing pixels");
    for (int i = 0; i < 3 * area; ++i)
        if (missing[i / 3]) face[i] = (unsigned char)lrintf(255 * fminf(fmaxf(image[i % 3 * area + i / 3], 0), 1));
    FILE* file = fopen(arguments[4], "wb");
    expect(file && fprintf(file, "P6\n%d %d\n255\n", size, size) > 0 && fwrite(face, 3, area, file) == (size_t)area &&
               fclose(file) == 0, arguments[4], "a place that can be written to");
    faceinpaint_search_close(search);
    free(face), free(missing), free(image), free(found);
    return 0;
}
