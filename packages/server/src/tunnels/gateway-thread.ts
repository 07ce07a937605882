/** The gateway in a thread of its own, so that what passes through tunnels never keeps the API waiting. */
import { parentPort, workerData } from "node:worker_threads";
import { Authority } from "../certificates/authority.ts";
import { messageOf } from "../error.ts";
import type { Entrance } from "./entrance.ts";
import { Gateway } from "./gateway.ts";
import type { Ask, Asks, GatewayStart, Told } from "./gateway-messages.ts";
import { namesOfAuthority, namesOfFiles } from "./server-names.ts";

/** Comings and goings are told together, this often at most. */
const tellMs = 50;

const acts: { readonly [Name in keyof Asks]: (give: Asks[Name]["give"]) => unknown } = {
  listen: ({ port }) => gateway.listen(port),
  open: (plan) => gateway.open(plan),
  openPlain: ({ sandboxId, port, wanted }) => gateway.openPlain(sandboxId, port, wanted),
  shut: ({ sandboxId }) => gateway.shut(sandboxId),
  measure: () => gateway.figures(),
  close: () => gateway.close(),
};

const gateway = makeGateway(workerData);
parentPort?.on("message", (ask: Ask) => void answer(ask));

function makeGateway({ config, key, authority }: GatewayStart): Gateway {
  const warn = (warning: string, error: unknown) => tell({ warning, reason: messageOf(error) });
  const names = config.certificate
    ? namesOfFiles(config.certificate, config.domain, warn)
    : namesOfAuthority(Authority.in(authority.directory, authority.options));
  return new Gateway({ config, names, key: Buffer.from(key), changed: gathering() });
}

async function answer({ id, name, give }: Ask): Promise<void> {
  try {
    const act = acts[name] as (given: unknown) => unknown;
    tell({ answers: id, take: await act(give) });
  } catch (error) {
    tell({ answers: id, failure: messageOf(error) });
  }
}

function gathering(): (entrance: Entrance) => void {
  const changed = new Set<Entrance>();
  return (entrance) => {
    if (changed.size === 0) setTimeout(tellChanged, tellMs);
    changed.add(entrance);
  };
  function tellChanged(): void {
    tell({ connections: [...changed].map(({ plan, connections }) => [plan.sandboxId, connections]) });
    changed.clear();
  }
}

function tell(told: Told): void {
  parentPort?.postMessage(told);
}
