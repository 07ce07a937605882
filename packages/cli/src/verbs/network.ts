import { Sandbox } from "@atoll/sdk";
import { connect } from "../connect.ts";
import { networkPolicy } from "../create-options.ts";
import { UsageError } from "../errors.ts";
import { findSandboxId } from "../find-sandbox.ts";
import { describePolicy } from "../network-policy.ts";
import { flag } from "../option.ts";
import { json, networkOptions } from "../options.ts";
import { printJson, printLine } from "../print.ts";
import { defineVerb } from "../verb.ts";

export const network = defineVerb({
  usage: "SANDBOX",
  description:
    "Changes what a sandbox may reach, and prints what it may reach then. The change replaces the earlier policy and holds for open connections too.",
  options: { open: flag("Let out to everything but the machine itself and other sandboxes."), ...networkOptions, json },
  arguments: [1, 1],
  examples: [
    "atoll network --allow-cidr 203.0.113.0/24 web",
    "atoll network --allow-domain '*.example.com' web",
    "atoll network --block-network web",
  ],
  async run({ values, positionals: [given = ""], signal }) {
    const policy = networkPolicy(values);
    const isChange = Object.values(policy).some((value) => value !== undefined);
    if (values.open && isChange)
      throw new UsageError("cannot open the network and close it", "Give --open alone, or leave it out.");
    const client = await connect(signal);
    const sandbox = await Sandbox.fromId(await findSandboxId(client, given, signal), { client, signal });
    if (values.open || isChange) await sandbox.updateNetworkPolicy(policy, { signal });
    const { blockNetwork, outboundCidrAllowlist, outboundDomainAllowlist } = sandbox.lastInfo;
    if (values.json) await printJson({ blockNetwork, outboundCidrAllowlist, outboundDomainAllowlist });
    else await printLine(describePolicy(sandbox.lastInfo));
    return 0;
  },
});
