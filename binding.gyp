{
  "variables": {
    "engine_sources": [
      "native/engine/bitmap.cc",
      "native/engine/bitmap_avx2.cc",
      "native/engine/bitmap_avx512.cc",
      "native/engine/checksum.cc",
      "native/engine/checksum_arm.cc",
      "native/engine/checksum_avx512.cc",
      "native/engine/checksum_sse42.cc",
      "native/engine/cpu.cc",
      "native/engine/digest.cc",
      "native/engine/digest_avx2.cc",
      "native/engine/digest_avx512.cc",
      "native/engine/dispatch.cc",
      "native/engine/page_head.cc",
      "native/engine/pages.cc",
      "native/engine/pages_avx2.cc",
      "native/engine/pages_avx512.cc"
    ]
  },
  "target_defaults": {
    "cflags_cc": ["-std=c++20", "-O3", "-Wall", "-Wextra", "-fno-strict-aliasing"],
    "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-fno-rtti"],
    "xcode_settings": {
      "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
      "OTHER_CPLUSPLUSFLAGS": ["-O3", "-Wall", "-Wextra"]
    }
  },
  "targets": [
    {
      "target_name": "engine",
      "product_dir": "<(module_root_dir)/native/engine/build/Release",
      "sources": [
        "native/engine/baselines.cc",
        "native/engine/bindings.cc",
        "<@(engine_sources)"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NODE_ADDON_API_DISABLE_DEPRECATED", "NODE_ADDON_API_CPP_EXCEPTIONS"],
      "cflags_cc": ["-fexceptions"],
      "cflags_cc!": ["-fno-exceptions"]
    }
  ],
  "conditions": [
    ["OS=='linux'", {
      "targets": [
        {
          "target_name": "host",
          "product_dir": "<(module_root_dir)/native/host/build/Release",
          "sources": [
            "native/host/bindings.cc",
            "native/host/cpu.cc",
            "native/host/crew.cc",
            "native/host/dirty.cc",
            "native/host/failure.cc",
            "native/host/library.cc",
            "native/host/memory.cc",
            "native/host/userfault.cc"
          ],
          "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
          "defines": ["NODE_ADDON_API_DISABLE_DEPRECATED", "NODE_ADDON_API_CPP_EXCEPTIONS"],
          "cflags_cc": ["-fexceptions"],
          "cflags_cc!": ["-fno-exceptions"],
          "libraries": ["-ldl"]
        },
        {
          "target_name": "pump",
          "product_dir": "<(module_root_dir)/native/pump/build/Release",
          "sources": [
            "<@(engine_sources)",
            "native/pump/batch.cc",
            "native/pump/bindings.cc",
            "native/pump/compression.cc",
            "native/pump/compression_choice.cc",
            "native/pump/file_checksums.cc",
            "native/pump/image_file.cc",
            "native/pump/image_outlet.cc",
            "native/pump/image_source.cc",
            "native/pump/iteration.cc",
            "native/pump/lane.cc",
            "native/pump/page_source.cc",
            "native/pump/ram_file.cc",
            "native/pump/receive.cc",
            "native/pump/record_walk.cc",
            "native/pump/send.cc",
            "native/pump/throttle.cc",
            "native/pump/wire.cc",
            "native/pump/zstd.cc"
          ],
          "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
          "defines": ["NODE_ADDON_API_DISABLE_DEPRECATED", "NODE_ADDON_API_CPP_EXCEPTIONS"],
          "cflags_cc": ["-fexceptions"],
          "cflags_cc!": ["-fno-exceptions"],
          "libraries": ["-lpthread", "-ldl"]
        },
        {
          "target_name": "xen",
          "product_dir": "<(module_root_dir)/native/xen/build/Release",
          "sources": [
            "<@(engine_sources)",
            "native/pump/batch.cc",
            "native/pump/page_source.cc",
            "native/pump/receive.cc",
            "native/pump/record_walk.cc",
            "native/pump/throttle.cc",
            "native/pump/wire.cc",
            "native/pump/zstd.cc",
            "native/xen/bindings.cc",
            "native/xen/domain.cc",
            "native/xen/domain_handle.cc",
            "native/xen/domain_pv.cc",
            "native/xen/frames.cc",
            "native/xen/host.cc",
            "native/xen/hypercall_memory.cc",
            "native/xen/libraries.cc",
            "native/xen/machine_table.cc",
            "native/xen/memory.cc",
            "native/xen/memory_handle.cc",
            "native/xen/memory_pv.cc",
            "native/xen/physmap.cc",
            "native/xen/pv_p2m.cc",
            "native/xen/pv_pins.cc",
            "native/xen/pv_shared.cc",
            "native/xen/pv_tables.cc",
            "native/xen/pv_vcpu.cc",
            "native/xen/send.cc",
            "native/xen/source_pv.cc",
            "native/xen/source_pv_handle.cc"
          ],
          "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
          "defines": ["NODE_ADDON_API_DISABLE_DEPRECATED", "NODE_ADDON_API_CPP_EXCEPTIONS"],
          "cflags_cc": ["-fexceptions"],
          "cflags_cc!": ["-fno-exceptions"],
          "libraries": ["-lpthread", "-ldl"]
        },
        {
          "target_name": "xenferry-guest",
          "type": "executable",
          "product_dir": "<(module_root_dir)/native/guest/build/Release",
          "sources": [
            "native/guest/arguments.cc",
            "native/guest/machine.cc",
            "native/guest/main.cc",
            "native/guest/ram.cc",
            "native/guest/server.cc",
            "native/guest/vcpu.cc",
            "native/guest/workload.cc",
            "native/host/userfault.cc"
          ],
          "cflags_cc": ["-fexceptions"],
          "cflags_cc!": ["-fno-exceptions"],
          "libraries": ["-lpthread"]
        }
      ]
    }]
  ]
}
