/** Where a sandbox is to run. There is one place here, so this is checked and then means nothing. */
import { AtollError } from "../../error.ts";
import type { Sandbox as Definition } from "../generated/sandbox_pb.ts";

const clouds = ["auto", "aws", "azure", "gcp", "oci"];
/** A part of the world, alone or with what narrows it down: "us", "us-east", "eu-west-1", "europe-west4". */
const region =
  /^(af|africa|ap|asia|au|australia|ca|eu|europe|il|jp|me|mx|northamerica|sa|southamerica|uk|us)(-[a-z]+)*(-?\d{1,2})?$/;

/** @throws AtollError invalid_argument for what names no cloud, or no region of one */
export function checkPlacement({ cloudProviderStr, schedulerPlacement }: Definition): void {
  const cloud = cloudProviderStr.toLowerCase();
  if (cloud !== "" && !clouds.includes(cloud))
    throw wrong("cloud", cloudProviderStr, `Name one of ${clouds.join(", ")}, or none`);
  const unknown = (schedulerPlacement?.regions ?? []).find((name) => !region.test(name.toLowerCase()));
  if (unknown !== undefined) throw wrong("region", unknown, 'Name one such as "us-east" or "eu-west-1", or none');
}

function wrong(kind: string, given: string, hint: string): AtollError {
  const what = JSON.stringify(given);
  return new AtollError(
    "invalid_argument",
    `cannot run in ${what}: there is no such ${kind}`,
    `${hint}; it runs on this machine either way.`,
  );
}
