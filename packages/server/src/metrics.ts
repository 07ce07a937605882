import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Isolation, SandboxState } from "@atoll/protocol";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Observer } from "./sandboxes/observer.ts";
import type { Slots } from "./slots.ts";
import type { Figures } from "./tunnels/gateway-messages.ts";
import { addTunnelMetrics } from "./tunnels/metrics.ts";

export interface Metrics extends Observer {
  /** In the Prometheus text format. */
  text(): Promise<string>;
  close(): void;
}

export interface MetricsSources {
  readonly counts: () => Readonly<Record<SandboxState, number>>;
  readonly creations: Slots;
  /** Network slots that are kept ready. */
  readonly readySlots: () => number;
  readonly readySandboxes: (isolation: Isolation) => number;
  readonly tunnels: () => Promise<Figures | undefined>;
}

const createBuckets = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30];
const execBuckets = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5];

export function metrics(sources: MetricsSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const create = new Histogram({
    name: "atoll_sandbox_create_seconds",
    help: "From the request for a sandbox to its running command",
    labelNames: ["isolation"],
    buckets: createBuckets,
    registers,
  });
  const failures = new Counter({
    name: "atoll_sandbox_create_failures_total",
    help: "Sandboxes that did not start",
    labelNames: ["isolation"],
    registers,
  });
  const exec = new Histogram({
    name: "atoll_exec_seconds",
    help: "From telling init to start a process to its answer",
    labelNames: ["isolation"],
    buckets: execBuckets,
    registers,
  });
  addGauges(registry, sources);
  addTunnelMetrics(registry, sources.tunnels);
  const loop = addLoopDelay(registry);
  return {
    created: (isolation, isRunning, seconds) =>
      isRunning ? create.observe({ isolation }, seconds) : failures.inc({ isolation }),
    executed: (isolation, seconds) => exec.observe({ isolation }, seconds),
    text: () => registry.metrics(),
    close: () => loop.disable(),
  };
}

function addGauges(registry: Registry, { counts, creations, readySlots, readySandboxes }: MetricsSources): void {
  const registers = [registry];
  new Gauge({
    name: "atoll_sandboxes",
    help: "Sandboxes by state",
    labelNames: ["state"],
    registers,
    collect() {
      for (const [state, count] of Object.entries(counts())) this.set({ state }, count);
    },
  });
  new Gauge({
    name: "atoll_creations",
    help: "Creations at work, and waiting for their turn",
    labelNames: ["phase"],
    registers,
    collect() {
      this.set({ phase: "working" }, creations.taken);
      this.set({ phase: "waiting" }, creations.waiting);
    },
  });
  new Gauge({
    name: "atoll_pool_sandboxes",
    help: "Sandboxes that are prepared ahead of time",
    labelNames: ["isolation"],
    registers,
    collect() {
      for (const isolation of ["gvisor", "container"] as const) this.set({ isolation }, readySandboxes(isolation));
    },
  });
  new Gauge({
    name: "atoll_pool_network_slots",
    help: "Network slots kept ready for sandboxes to come",
    registers,
    collect() {
      this.set(readySlots());
    },
  });
}

/** How late the event loop is, since the last time it was asked. */
function addLoopDelay(registry: Registry): { disable(): void } {
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  new Gauge({
    name: "atoll_event_loop_delay_seconds",
    help: "How late the event loop is, since the last look",
    labelNames: ["quantile"],
    registers: [registry],
    collect() {
      for (const quantile of [50, 99, 100]) this.set({ quantile: quantile / 100 }, delay.percentile(quantile) / 1e9);
      delay.reset();
    },
  });
  return { disable: () => void delay.disable() };
}
