import { describe, expect, test } from "vitest";
import {
  configFromJson,
  configToJson,
  parseConfigFile,
  parseGuestSpec,
} from "../../src/guest/config.ts";
import type { GuestConfig } from "../../src/guest/types.ts";

const MIB = 2 ** 20;

/** Matches the GUEST_CONFIG error about `key`. */
function invalid(key: string): object {
  return expect.objectContaining({
    code: "GUEST_CONFIG",
    exitStatus: 2,
    where: expect.objectContaining({ key }),
  });
}

describe("the short form", () => {
  test("says everything", () => {
    const text =
      "process:memory=1G,dirty=200M,hot=10%,pattern=uniform,vcpus=2,read=0%,fill=text,seed=7," +
      "name=web,maxmem=2GiB,type=hvm";
    expect(parseGuestSpec(text)).toEqual({
      name: "web",
      kind: "process",
      memoryBytes: 1024 * MIB,
      maxMemoryBytes: 2048 * MIB,
      vcpus: 2,
      type: "hvm",
      workload: {
        storesPerSecond: 51200,
        pattern: "uniform",
        workingSetPages: 26214,
        readShare: 0,
        fill: "text",
        seed: 7n,
      },
    });
  });

  test("says nothing but the kind", () => {
    expect(parseGuestSpec("synthetic")).toEqual({
      name: "guest",
      kind: "synthetic",
      memoryBytes: 256 * MIB,
      maxMemoryBytes: 256 * MIB,
      vcpus: 1,
      type: "pvh",
      workload: {
        storesPerSecond: 5000,
        pattern: "zipf",
        workingSetPages: 6553,
        readShare: 0.1,
        fill: "random",
        seed: 1n,
      },
    });
    expect(parseGuestSpec("synthetic:")).toEqual(parseGuestSpec("synthetic"));
  });

  test.each([
    ["memory=64M", { memoryBytes: 64 * MIB, maxMemoryBytes: 64 * MIB }],
    ["memory=1.5GiB", { memoryBytes: 1536 * MIB }],
    ["memory=16t", { memoryBytes: 2 ** 44 }],
    ["memory=4096", { memoryBytes: 4096 }],
    ["memory=4MiB", { memoryBytes: 4 * MIB }],
  ])("%s", (settings, expected) => {
    expect(parseGuestSpec(`process:${settings}`)).toMatchObject(expected);
  });

  test.each([
    ["dirty=5000p", { storesPerSecond: 5000 }],
    ["dirty=5000p/s", { storesPerSecond: 5000 }],
    ["dirty=200MB/s", { storesPerSecond: 48828 }],
    ["rate=4K", { storesPerSecond: 1 }],
    ["dirty=0", { storesPerSecond: 0 }],
    ["hot=1M", { workingSetPages: 256 }],
    ["hot=5000", { workingSetPages: 2 }],
    ["hot=100%", { workingSetPages: 65536 }],
    ["hot=0.0001%", { workingSetPages: 1 }],
    ["read=0.25", { readShare: 0.25 }],
    ["read=12.5%", { readShare: 0.125 }],
    ["seed=0xffffffffffffffff", { seed: 2n ** 64n - 1n }],
    ["pattern=sequential", { pattern: "sequential" }],
  ])("%s", (settings, expected) => {
    expect(parseGuestSpec(`process:${settings}`).workload).toMatchObject(expected);
  });

  test.each([
    ["", "kind"],
    ["xen", "kind"],
    ["process:memory", "memory"],
    ["process:colour=red", "colour"],
    ["process:kind=synthetic", "kind"],
    ["process:memory=1G,memory=1G", "memory"],
    ["process:dirty=1M,rate=1M", "rate"],
    ["process:memory=1X", "memory"],
    ["process:memory=-1M", "memory"],
    ["process:memory=1GB", "memoryBytes"],
    ["process:memory=0", "memoryBytes"],
    ["process:memory=17T", "memoryBytes"],
    ["process:memory=2M,maxmem=1M", "maxMemoryBytes"],
    ["process:vcpus=0", "vcpus"],
    ["process:vcpus=129", "vcpus"],
    ["process:vcpus=1.5", "vcpus"],
    ["process:type=pv", "type"],
    ["process:hot=0%", "hot"],
    ["process:hot=101%", "hot"],
    ["process:hot=0", "workload.workingSetPages"],
    ["process:memory=1M,hot=2M", "workload.workingSetPages"],
    ["process:read=100%", "workload.readShare"],
    ["process:read=-1%", "read"],
    ["process:dirty=1e3", "dirty"],
    ["process:dirty=1.5p", "dirty"],
    ["process:fill=noise", "workload.fill"],
    ["process:pattern=", "workload.pattern"],
    ["process:seed=18446744073709551616", "seed"],
    ["process:seed=1.5", "seed"],
    ["process:name=../etc", "name"],
    ["process:name=..", "name"],
    ["process:name=", "name"],
    [`process:name=${"a".repeat(65)}`, "name"],
  ])("refuses %j", (text, key) => {
    expect(() => parseGuestSpec(text)).toThrow(invalid(key));
  });
});

describe("an xl.cfg-style file", () => {
  test("describes the guest and its workload", () => {
    const text = [
      "# a guest that stores to a tenth of its memory",
      'name = "web"; type = "hvm"',
      "memory = 128",
      "maxmem = 0x100",
      "vcpus = 2",
      "kernel = '/boot/vmlinuz' # not for us",
      'disk = [ "phy:/dev/vg/web,xvda,w",',
      "         'file:/x',",
      "       ]",
      'xenferry = [ "rate=200M", "pattern=sequential", "hot=10%",',
      '             "read=20%", "fill=zero", "seed=3", "kind=synthetic" ]',
      "",
    ].join("\n");
    expect(parseConfigFile(text)).toEqual({
      config: {
        name: "web",
        kind: "synthetic",
        memoryBytes: 128 * MIB,
        maxMemoryBytes: 256 * MIB,
        vcpus: 2,
        type: "hvm",
        workload: {
          storesPerSecond: 51200,
          pattern: "sequential",
          workingSetPages: 3276,
          readShare: 0.2,
          fill: "zero",
          seed: 3n,
        },
      },
      ignoredKeys: ["kernel", "disk"],
    });
  });

  test("takes a workload in one string, lists that grow, escapes, CRLF, no last newline", () => {
    const text =
      "name='a\\x62\\143'\r\nxenferry=['seed=2']\r\nxenferry+=['read=50%',]\r\nmemory=010";
    const { config } = parseConfigFile(text);
    expect(config).toMatchObject({ name: "abc", memoryBytes: 8 * MIB });
    expect(config.workload).toMatchObject({ seed: 2n, readShare: 0.5 });
    const short = parseConfigFile('name="a"\nxenferry="seed=2,read=50%"\n').config;
    expect(short.workload).toMatchObject({ seed: 2n, readShare: 0.5 });
  });

  test.each([
    ["memory=64\n", "name"],
    ["name='a'\nmemory='lots'\n", "memory"],
    ["name='a'\nmemory=[64]\n", "memory"],
    ["name='a'\nmemory=099\n", "memory"],
    ["name='a'\nxenferry=['memory=64']\n", "memory"],
    ["name='a'\nxenferry=[['seed=1']]\n", "xenferry"],
    ["name='a'\ntype='pv'\n", "type"],
  ])("refuses %j", (text, key) => {
    expect(() => parseConfigFile(text)).toThrow(invalid(key));
  });

  test.each([
    ["name='a\n", 1],
    ["name='a'\nmemory 64\n", 2],
    ["name='a'\n\nmemory=\n", 3],
    ["name='a'\ndisk=['x'\n", 3],
    ["name='a' memory=64\n", 1],
    ["name='a'\nimport os\n", 2],
    ["name='a'\n\nx=(1)\n", 3],
    ["Name='a'\n", 1],
    ["name='\\q'\n", 1],
    ["name='a'\nname+=['b']\n", 2],
    [`x=${"[".repeat(20)}`, 1],
  ])("refuses the syntax of %j", (text, line) => {
    expect(() => parseConfigFile(text)).toThrow(
      expect.objectContaining({
        code: "GUEST_CONFIG",
        where: expect.objectContaining({ line }),
      }),
    );
  });
});

describe("the JSON of an image", () => {
  const config: GuestConfig = {
    ...parseGuestSpec("synthetic:memory=64M,maxmem=96M,vcpus=2,seed=0xfedcba9876543210,name=db"),
    type: "hvm",
  };

  test("has the shape of libxl's", () => {
    expect(JSON.parse(configToJson(config))).toEqual({
      c_info: { type: "hvm", name: "db" },
      b_info: {
        max_vcpus: 2,
        avail_vcpus: [0, 1],
        max_memkb: 98304,
        target_memkb: 65536,
        "type.hvm": {},
      },
      xenferry: {
        kind: "synthetic",
        stores_per_second: 5000,
        pattern: "zipf",
        working_set_pages: 1638,
        read_share: 0.1,
        fill: "random",
        seed: "18364758544493064720",
      },
    });
  });

  test("gives back the same guest", () => {
    expect(configFromJson(configToJson(config))).toEqual(config);
  });

  test("of a real Xen guest is refused in so many words", () => {
    const xen = '{"c_info":{"type":"pvh","name":"x"},"b_info":{"max_vcpus":1,"max_memkb":1}}';
    expect(() => configFromJson(xen)).toThrow(invalid("xenferry"));
    expect(() => configFromJson(xen)).toThrow(/real Xen guest/);
  });

  test.each([
    ["c_info.name", "c_info", "name", undefined],
    ["name", "c_info", "name", "../../x"],
    ["memoryBytes", "b_info", "target_memkb", 3],
    ["memoryBytes", "b_info", "target_memkb", 2 ** 40],
    ["maxMemoryBytes", "b_info", "max_memkb", 4],
    ["vcpus", "b_info", "max_vcpus", 1e9],
    ["workload.workingSetPages", "xenferry", "working_set_pages", 1e6],
    ["workload.storesPerSecond", "xenferry", "stores_per_second", 1e300],
    ["xenferry.seed", "xenferry", "seed", "-1"],
    ["xenferry.seed", "xenferry", "seed", 1],
  ])("is refused over %s (%s.%s = %s)", (key, section, field, value) => {
    const image = JSON.parse(configToJson(config));
    image[section][field] = value;
    expect(() => configFromJson(JSON.stringify(image))).toThrow(invalid(key));
  });

  test.each(["", "{", "null", "7", '"x"'])("%j is refused", (text) => {
    expect(() => configFromJson(text)).toThrow(expect.objectContaining({ code: "GUEST_CONFIG" }));
  });
});
