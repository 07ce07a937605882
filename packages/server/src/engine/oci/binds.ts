import { join } from "node:path";
import type { Bind } from "../../launcher/client.ts";
import type { Claim } from "../engine.ts";

interface Sources {
  readonly bundle: string;
  readonly empty: string;
  readonly hasSysfs: boolean;
  /** A single file is attached to a file, anything else to a directory. */
  readonly isDirectory: (path: string) => boolean;
}

/** Everything of the host that appears in a sandbox's root, in the order in which it is attached: pure. */
export function bindsOf(claim: Claim, { bundle, empty, hasSysfs, isDirectory }: Sources): Bind[] {
  const file = (name: string): Bind => ({
    source: join(bundle, name),
    destination: `/etc/${name}`,
    isReadOnly: true,
    isFile: true,
  });
  return [
    file("resolv.conf"),
    file("hosts"),
    // The machine's firmware tables say which machine it is.
    ...(hasSysfs ? [{ source: empty, destination: "/sys/firmware", isReadOnly: true }] : []),
    ...claim.mounts.map(({ hostPath, path, readOnly, isIdmapped = false }) => ({
      source: hostPath,
      destination: path,
      isReadOnly: readOnly,
      isFile: !isDirectory(hostPath),
      ...(isIdmapped && { isIdmapped }),
    })),
    ...claim.devices.map(({ hostPath, path }) => ({
      source: hostPath,
      destination: path,
      isFile: true,
      isDevice: true,
    })),
  ];
}
