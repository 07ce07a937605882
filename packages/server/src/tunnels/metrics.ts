/** What /metrics says of tunnels. */
import { Counter, Gauge, type Registry } from "prom-client";
import type { Figures } from "./gateway-messages.ts";

/** @param measure undefined while no sandbox has a tunnel */
export function addTunnelMetrics(registry: Registry, measure: () => Promise<Figures | undefined>): void {
  const registers = [registry];
  // All are collected at once, so they share one look.
  let looking: Promise<Figures | undefined> | undefined;
  const look = () => {
    looking ??= measure().finally(() => {
      looking = undefined;
    });
    return looking;
  };
  new Gauge({
    name: "atoll_tunnel_connections",
    help: "Open connections to tunnels",
    registers,
    async collect() {
      this.set((await look())?.open ?? 0);
    },
  });
  const counted = (name: string, help: string, count: (figures: Figures) => number) =>
    new Counter({
      name,
      help,
      registers,
      async collect() {
        const figures = await look();
        this.reset();
        if (figures) this.inc(count(figures));
      },
    });
  counted("atoll_tunnel_connections_total", "Connections that came", ({ accepted }) => accepted);
  counted("atoll_tunnel_received_bytes_total", "Bytes from clients", ({ receivedBytes }) => receivedBytes);
  counted("atoll_tunnel_sent_bytes_total", "Bytes to clients", ({ sentBytes }) => sentBytes);
  new Counter({
    name: "atoll_tunnel_refused_total",
    help: "Connections that were not let through, by reason",
    labelNames: ["reason"],
    registers,
    async collect() {
      const figures = await look();
      this.reset();
      for (const [reason, count] of Object.entries(figures?.refused ?? {})) this.inc({ reason }, count);
    },
  });
  new Gauge({
    name: "atoll_tunnel_event_loop_delay_seconds",
    help: "How late the gateway's event loop is, since the last look",
    labelNames: ["quantile"],
    registers,
    async collect() {
      const late = (await look())?.lateMs;
      if (!late) return;
      this.set({ quantile: 0.5 }, late.p50 / 1000);
      this.set({ quantile: 0.99 }, late.p99 / 1000);
      this.set({ quantile: 1 }, late.max / 1000);
    },
  });
}
