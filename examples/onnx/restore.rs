// Restores the missing part of a face from Rust, by nothing but the C API of onnxruntime and of the blend:
// restore MODEL.onnx FACE.ppm HOLE.pgm OUT.ppm, which are what restore.py takes.
//
// The crate `ort` wraps the same API.  Here its functions are called by their places in OrtApi, which stay from version to
// version.
use std::ffi::{c_char, c_int, c_void, CStr, CString};
use std::{env, fs, mem::transmute, ptr::null_mut};

type Any = *mut c_void;

#[repr(C)]
struct ApiBase {
    get_api: extern "C" fn(u32) -> *const Any,
    version: extern "C" fn() -> *const c_char,
}

extern "C" {
    fn OrtGetApiBase() -> *const ApiBase;
    fn faceinpaint_blend(image: *const f32, generated: *const f32, missing: *const u8, channels: c_int, height: c_int,
                         width: c_int, tension: f64, out: *mut f32) -> c_int;
}

// Calls the function at that place of OrtApi, which has that name; its last argument is where the result goes.
macro_rules! ort {
    ($place:literal $name:ident, $($argument:expr => $kind:ty),*) => {{
        let mut result: Any = null_mut();
        let api = ((*OrtGetApiBase()).get_api)(16);
        let function: extern "C" fn($($kind,)* *mut Any) -> Any = transmute(*api.add($place));
        let status = function($($argument,)* &mut result);
        if !status.is_null() {
            // GetErrorMessage
            let message: extern "C" fn(Any) -> *const c_char = transmute(*api.add(2));
            panic!("{}", CStr::from_ptr(message(status)).to_string_lossy());
        }
        result
    }};
}

// bytes, one pixel after the other
fn read(path: &str, kind: &str, size: usize, channels: usize) -> Vec<u8> {
    let content = fs::read(path).expect(path);
    let head = format!("{kind} {size} {size} 255");
    let length = size * size * channels;
    let at = content.len().saturating_sub(length + 1);
    let found = String::from_utf8_lossy(&content[..at]).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(found == head, "{path}: expected {head}, got {found}");
    content[at + 1..].to_vec()
}

fn main() {
    let given: Vec<String> = env::args().collect();
    assert!(given.len() == 5, "usage: {} MODEL.onnx FACE.ppm HOLE.pgm OUT.ppm", given[0]);
    let text = |text: &str| CString::new(text).unwrap();
    unsafe {
        let (model, name) = (text(&given[1]), text("restore"));
        let environment = ort!(3 CreateEnv, 2 => c_int, name.as_ptr() => *const c_char);
        let options = ort!(10 CreateSessionOptions,);
        // SetIntraOpNumThreads
        let threads: extern "C" fn(Any, c_int) -> Any = transmute(*((*OrtGetApiBase()).get_api)(16).add(24));
        assert!(threads(options, 1).is_null());
        let session = ort!(7 CreateSession, environment => Any, model.as_ptr() => *const c_char, options => Any);
        let told = ort!(111 SessionGetModelMetadata, session => Any);
        let allocator = ort!(78 GetAllocatorWithDefaultOptions,);
        let number = |name: &str| -> f64 {
            let name = text(name);
            let found = ort!(116 ModelMetadataLookupCustomMetadataMap, told => Any, allocator => Any,
                             name.as_ptr() => *const c_char);
            CStr::from_ptr(found as *const c_char).to_str().unwrap().parse().unwrap()
        };
        let size = number("size") as usize;
        let area = size * size;
        let (mut face, levels) = (read(&given[2], "P6", size, 3), read(&given[3], "P5", size, 1));
        let missing: Vec<u8> = levels.iter().map(|&level| (level >= 128) as u8).collect();
        let image: Vec<f32> = (0..3 * area).map(|i| face[i % area * 3 + i / area] as f32 / 255.0).collect();
        let hole: Vec<f32> = missing.iter().map(|&each| each as f32).collect();
        let memory = ort!(69 CreateCpuMemoryInfo, 1 => c_int, 0 => c_int);
        let tensor = |numbers: &[f32], channels: i64| {
            let shape = [1, channels, size as i64, size as i64];
            ort!(49 CreateTensorWithDataAsOrtValue, memory => Any, numbers.as_ptr() => *const f32,
                 4 * numbers.len() => usize, shape.as_ptr() => *const i64, 4 => usize, 1 => c_int)
        };
        let (images, holes, generated) = (text("images"), text("holes"), text("generated"));
        let (names, values) = ([images.as_ptr(), holes.as_ptr()], [tensor(&image, 3), tensor(&hole, 1)]);
        let wanted = [generated.as_ptr()];
        let found = ort!(9 Run, session => Any, null_mut() => Any, names.as_ptr() => *const *const c_char,
                         values.as_ptr() => *const Any, 2 => usize, wanted.as_ptr() => *const *const c_char, 1 => usize);
        let content = ort!(51 GetTensorMutableData, found => Any) as *const f32;
        let (mut blended, side) = (image.clone(), size as c_int);
        let outcome = faceinpaint_blend(image.as_ptr(), content, missing.as_ptr(), 3, side, side, number("tension"),
                                        blended.as_mut_ptr());
        assert!(outcome == 0, "expected known and missing pixels, got outcome {outcome} of faceinpaint_blend");
        for (i, level) in face.iter_mut().enumerate().filter(|(i, _)| missing[i / 3] != 0) {
            *level = (255.0 * blended[i % 3 * area + i / 3].clamp(0.0, 1.0)).round_ties_even() as u8;
        }
        let head = format!("P6\n{size} {size}\n255\n").into_bytes();
        fs::write(&given[4], [head, face].concat()).expect(&given[4]);
    }
}
