/** What is worth counting; the server turns it into metrics. */
export interface Observer {
  /** A creation has ended, in seconds since it was asked for. */
  created(isolation: string, isRunning: boolean, seconds: number): void;
  /** A process was started by exec, in seconds until init said so. */
  executed(isolation: string, seconds: number): void;
}
