/** What a sandbox reaches by name, against a site with a name server and web servers of its own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Sandbox } from "@atoll/sdk";
import { daemon } from "../support/daemon.ts";
import { isolationLevels, shell } from "../support/isolation.ts";
import { openSite } from "../support/site.ts";

test("what is allowed by name", async (t) => {
  const site = await openSite((address) => ({
    "api.example.com": [[address]],
    "other.test": [[address]],
    "inside.example.com": [["127.0.0.1", "169.254.169.254", "10.0.0.1"]],
  }));
  t.after(() => site.stop());
  const { client } = await daemon(t, { ATOLL_NAME_SERVERS: site.address, ATOLL_POOL: "0" });

  for (const isolation of isolationLevels) {
    await t.test(
      `${isolation}: names that are allowed have addresses, and no other name is ever asked for`,
      async () => {
        await using sandbox = await Sandbox.create({
          client,
          isolation,
          outboundDomainAllowlist: ["api.example.com", "inside.example.com"],
        });
        const addressOf = async (name: string) =>
          (await shell(sandbox, `getent ahostsv4 ${name} | awk '{print $1; exit}'`)).stdout.trim();
        assert.equal(await addressOf("api.example.com"), site.address);
        assert.equal(await addressOf("API.Example.COM"), site.address);
        for (const name of ["other.test", "example.com", "x.api.example.com", "inside.example.com"])
          assert.equal(await addressOf(name), "", name);
        const asked = new Set(site.heard.flatMap(({ dns }) => dns ?? []));
        assert.deepEqual(asked, new Set(["api.example.com", "inside.example.com"]));
      },
    );
  }
});
