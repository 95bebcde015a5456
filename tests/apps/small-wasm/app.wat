;; Answers every request with a line of text. As compilers write it: the functions of wasi:http under their names of the canonical
;; ABI, and results in memory.
(module
  (import "wasi:http/types@0.2.10" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.2.10" "[constructor]outgoing-response" (func $response (param i32) (result i32)))
  (import "wasi:http/types@0.2.10" "[method]outgoing-response.body" (func $body (param i32 i32)))
  (import "wasi:http/types@0.2.10" "[static]response-outparam.set"
    (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.10" "[method]outgoing-body.write" (func $write (param i32 i32)))
  (import "wasi:http/types@0.2.10" "[static]outgoing-body.finish" (func $finish (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.10" "[method]output-stream.blocking-write-and-flush"
    (func $say (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.10" "[resource-drop]output-stream" (func $drop (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 1024) "one file for every processor\n")
  (global $free (mut i32) (i32.const 4096))

  (func (export "cabi_realloc") (param i32 i32 i32) (param $size i32) (result i32)
    global.get $free
    global.get $free
    local.get $size
    i32.add
    i32.const 15
    i32.add
    i32.const -16
    i32.and
    global.set $free)

  (func (export "wasi:http/incoming-handler@0.2.10#handle") (param $request i32) (param $out i32)
    (local $answer i32) (local $content i32) (local $stream i32)
    (local.set $answer (call $response (call $fields)))
    (call $body (local.get $answer) (i32.const 0))
    (local.set $content (i32.load (i32.const 4)))
    (call $set (local.get $out) (i32.const 0) (local.get $answer)
      (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (call $write (local.get $content) (i32.const 0))
    (local.set $stream (i32.load (i32.const 4)))
    (call $say (local.get $stream) (i32.const 1024) (i32.const 29) (i32.const 16))
    (call $drop (local.get $stream))
    (call $finish (local.get $content) (i32.const 0) (i32.const 0) (i32.const 32))))
