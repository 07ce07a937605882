/**
 * Calls into parts of the kernel that are the whole machine's, from a root user inside. Each that is marked so was seen to get
 * through on the host itself, as root in throw-away namespaces, in the same run: so it is the sandbox that refuses it.
 */
import { test } from "node:test";
import { eachIsolation, sharedSandbox } from "../support/isolation.ts";
import { useProbes } from "../support/probes.ts";
import { useServer } from "../support/server.ts";

useServer();
const probes = useProbes();

/** Namespaces that take what the control does with them. */
const throwAway = ["unshare", "--mount", "--uts", "--ipc", "--net", "--pid", "--fork"];

interface Attempt {
  readonly attempt: readonly string[];
  /** Not run on the host: it would act on the machine, or machines differ in whether they have it. */
  readonly isUncontrolled?: true;
  /** gVisor has this for its guests, within its own kernel: nothing of the machine is behind it. */
  readonly isGvisorsOwn?: true;
}

const namespaceFlags = {
  user: "10000000",
  mount: "20000",
  pid: "20000000",
  network: "40000000",
  uts: "4000000",
  ipc: "8000000",
};

/** gVisor gives its guests user namespaces, and does not ask for a privilege when clone makes a mount namespace. */
function isGvisorsOwn(call: string, flags: string): boolean {
  return flags === namespaceFlags.user || (flags === namespaceFlags.mount && call !== "unshare");
}

const attempts: readonly Attempt[] = [
  { attempt: ["load-module"], isUncontrolled: true },
  { attempt: ["unload-module"], isUncontrolled: true },
  { attempt: ["kexec"], isUncontrolled: true },
  { attempt: ["reboot-switch"], isUncontrolled: true },
  { attempt: ["bpf"], isUncontrolled: true },
  { attempt: ["perf"], isUncontrolled: true },
  { attempt: ["userfaultfd"], isUncontrolled: true },
  { attempt: ["io-uring"], isUncontrolled: true },
  { attempt: ["add-key"] },
  { attempt: ["session-keyring"], isGvisorsOwn: true },
  { attempt: ["request-key"] },
  { attempt: ["set-clock"], isUncontrolled: true },
  { attempt: ["steer-clock"], isUncontrolled: true },
  { attempt: ["kernel-log"], isGvisorsOwn: true },
  { attempt: ["swapoff"], isUncontrolled: true },
  { attempt: ["io-ports"], isUncontrolled: true },
  { attempt: ["move-pages"] },
  { attempt: ["accounting"], isUncontrolled: true },
  { attempt: ["compat-keyring"], isUncontrolled: true },
  { attempt: ["compat-unshare"], isUncontrolled: true },
  { attempt: ["compat-vsock"], isUncontrolled: true },
  { attempt: ["x32-keyring"], isUncontrolled: true },
  { attempt: ["x32-mount"], isUncontrolled: true },
  ...Object.values(namespaceFlags).flatMap((flags) =>
    ["unshare", "clone", "clone3"].map((call) => ({
      attempt: [call, flags],
      ...(isGvisorsOwn(call, flags) && { isGvisorsOwn: true as const }),
    })),
  ),
  { attempt: ["gain-capability"] },
  { attempt: ["rename", "taken-over"] },
  { attempt: ["spare"], isUncontrolled: true, isGvisorsOwn: true },
  { attempt: ["real-time"], isUncontrolled: true, isGvisorsOwn: true },
  { attempt: ["raise-limit"], isUncontrolled: true },
  { attempt: ["mount-tmpfs"] },
  { attempt: ["mount-proc"] },
  { attempt: ["mount-cgroup"], isUncontrolled: true },
  { attempt: ["mount-cgroup2"] },
  { attempt: ["bind", "/proc"] },
  { attempt: ["unmount", "/proc"] },
  { attempt: ["remount-writable", "/proc"] },
  { attempt: ["fsopen"] },
  { attempt: ["open-tree", "/"] },
  { attempt: ["pivot-root"], isUncontrolled: true },
  { attempt: ["socket", "17", "3", "768"] },
  { attempt: ["socket", "2", "3", "1"] },
  { attempt: ["socket", "40", "1", "0"], isUncontrolled: true },
  { attempt: ["socket", "38", "5", "0"], isUncontrolled: true },
  { attempt: ["socket", "16", "3", "9"], isUncontrolled: true },
  { attempt: ["add-address", "lo"] },
  { attempt: ["set-address", "lo", "192.0.2.78"] },
];

eachIsolation((isolation) => {
  const sandbox = sharedSandbox({ isolation });

  test("the probes are in the sandbox", () => probes.install(sandbox()));

  for (const { attempt, isUncontrolled, isGvisorsOwn } of attempts) {
    if (isolation === "gvisor" && isGvisorsOwn) continue;
    test(`${attempt.join(" ")} is refused`, async () => {
      if (!isUncontrolled) probes.assertReached(throwAway, attempt);
      await probes.assertRefused(sandbox(), attempt);
    });
  }
});
