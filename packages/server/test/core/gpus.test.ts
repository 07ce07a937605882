import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Sandbox, Status } from "@atoll/protocol";
import { devicesOf } from "../../src/devices/cdi.ts";
import { chooseGpus, gpuRequest } from "../../src/devices/gpu-request.ts";
import { Gpus } from "../../src/devices/gpus.ts";
import { testServer } from "../support/server.ts";
import { temporaryDirectory } from "../support/state.ts";

const device = (index: number, model: string) => ({
  name: String(index),
  annotations: { "example.com/model": model },
  containerEdits: {
    deviceNodes: [{ path: `/dev/fake${index}`, type: "c", major: 195, minor: index, permissions: "rw" }],
  },
});

const fixture = {
  cdiVersion: "0.6.0",
  kind: "example.com/gpu",
  containerEdits: {
    env: ["GPU_DRIVER=fake"],
    deviceNodes: [{ path: "/dev/fakectl", hostPath: "/dev/null" }],
    mounts: [{ hostPath: "/usr/lib/fake", containerPath: "/usr/lib/fake", options: ["ro", "nosuid"] }],
  },
  devices: [
    device(0, "Fake A100-SXM4-40GB"),
    device(1, "Fake A100-SXM4-40GB"),
    device(2, "Fake H100"),
    { ...device(0, "Fake A100-SXM4-40GB"), name: "GPU-aaaa" },
    {
      name: "all",
      containerEdits: {
        deviceNodes: [0, 1, 2].map((index) => ({ path: `/dev/fake${index}`, major: 195, minor: index })),
      },
    },
  ],
};

const fixed = () => ({ type: "c", major: 1, minor: 3 }) as const;
const devices = devicesOf(JSON.stringify(fixture), fixed);

test("a specification gives each device its own edits and the shared ones", () => {
  const [first] = devices;
  assert.equal(first?.name, "example.com/gpu=0");
  assert.deepEqual(first?.edits, {
    devices: [
      { hostPath: "/dev/null", path: "/dev/fakectl", cgroupRule: "c 1:3 rwm" },
      { hostPath: "/dev/fake0", path: "/dev/fake0", cgroupRule: "c 195:0 rw" },
    ],
    mounts: [{ hostPath: "/usr/lib/fake", path: "/usr/lib/fake", readOnly: true }],
    environment: { GPU_DRIVER: "fake" },
  });
});

for (const [what, spec] of [
  ["no kind", { devices: [] }],
  ["a kind without a class", { kind: "example.com", devices: [] }],
  ["a device without a name", { kind: "example.com/gpu", devices: [{}] }],
  [
    "a relative path",
    { kind: "example.com/gpu", containerEdits: { mounts: [{ hostPath: "a", containerPath: "/a" }] } },
  ],
  ["a path that climbs", { kind: "example.com/gpu", containerEdits: { deviceNodes: [{ path: "/dev/../etc/x" }] } }],
  [
    "unknown permissions",
    { kind: "example.com/gpu", containerEdits: { deviceNodes: [{ path: "/dev/x", permissions: "rx\n" }] } },
  ],
  ["a variable without a value", { kind: "example.com/gpu", containerEdits: { env: ["A"] } }],
] as const) {
  test(`a specification with ${what} is refused`, () => {
    assert.throws(() => devicesOf(JSON.stringify(spec), fixed));
  });
}

test("a model and a count choose free devices, each piece of hardware once", () => {
  const choose = (text: string, ...taken: string[]) => chooseGpus(gpuRequest(text), devices, new Set(taken));
  assert.deepEqual(choose("A100"), ["example.com/gpu=0"]);
  assert.deepEqual(choose("a100:2"), ["example.com/gpu=0", "example.com/gpu=1"]);
  assert.deepEqual(choose("A100", "example.com/gpu=0"), ["example.com/gpu=1"]);
  assert.deepEqual(choose("any:3").length, 3);
  assert.throws(() => choose("any:4"), { code: "gpu_unavailable" });
  assert.throws(() => choose("H100", "example.com/gpu=2"), { code: "gpu_unavailable", message: /H100, in use/ });
  assert.throws(() => choose("A10"), { code: "gpu_unavailable", message: /example\.com\/gpu=0 .*A100/ });
});

for (const text of ["", "A100:0", "A100:x", ":2", "A100:1000"]) {
  test(`the GPU ${JSON.stringify(text)} cannot be read`, () => {
    assert.throws(() => gpuRequest(text), { code: "invalid_argument" });
  });
}

test("a machine without specifications offers nothing; those that cannot be read are named", (t) => {
  const directory = temporaryDirectory(t);
  assert.deepEqual(new Gpus([join(directory, "none")]).names(), []);
  writeFileSync(join(directory, "a.yaml"), "kind: example.com/gpu\n");
  writeFileSync(join(directory, "b.json"), "{");
  const gpus = new Gpus([directory]);
  assert.throws(() => gpus.choose("any", new Set()), {
    code: "gpu_unavailable",
    message: /a\.yaml: only.*JSON.*b\.json/s,
  });
});

test("a sandbox has its GPUs to itself, gets their variables, and gives them back at its end", async (t) => {
  const { client, directory } = await testServer(t);
  assert.equal((await client.error("POST", "/v1/sandboxes", { gpu: "A100" })).code, "gpu_unavailable");
  mkdirSync(join(directory, "cdi"));
  writeFileSync(join(directory, "cdi", "fake.json"), JSON.stringify(fixture));
  assert.equal((await client.ok<Status>("GET", "/v1/status")).gpus.length, 3);
  const first = await client.create({ gpu: "A100:2" });
  assert.deepEqual(first.gpus, ["example.com/gpu=0", "example.com/gpu=1"]);
  assert.equal((await client.error("POST", "/v1/sandboxes", { gpu: "A100" })).code, "gpu_unavailable");
  const { id: exec } = await client.exec(first.id, "sh", "-c", "echo $GPU_DRIVER");
  assert.equal(await client.text(first.id, exec), "fake\n");
  await client.ok<Sandbox>("POST", `/v1/sandboxes/${first.id}/terminate`);
  const again = () => client.call<Sandbox>("POST", "/v1/sandboxes", { gpu: "A100" });
  let answer = await again();
  // The devices are free once the sandbox is removed, which follows its end.
  for (; answer.status === 422; answer = await again()) await sleep(10);
  assert.deepEqual(answer.body.gpus, ["example.com/gpu=0"]);
});
