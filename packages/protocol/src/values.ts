/** Values that several nouns are made of. Names follow Modal and OCI; units are in the names. */
import Type, { type Static } from "typebox";

export const Id = (prefix: string, description: string) =>
  Type.String({ pattern: `^${prefix}-[0-9A-Za-z]{22}$`, description });

export const closed = { additionalProperties: false } as const;

export const Name = Type.String({
  pattern: "^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$",
  description: "Letters, digits, '.', '_' and '-'; at most 64.",
});

/** Of what belongs to an environment of Modal's clients: those of another than `main` have its name and a slash before their own. */
export const ScopedName = Type.String({
  pattern: "^([a-zA-Z0-9][a-zA-Z0-9._-]{0,63}/)?[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$",
  description: "Letters, digits, '.', '_' and '-'; at most 64. An environment and '/' may stand before it.",
});

export const Environment = Type.Record(
  Type.String({ pattern: "^[A-Za-z_][A-Za-z0-9_]*$" }),
  Type.String({ maxLength: 131_072 }),
  {
    description: "Environment variables.",
    additionalProperties: false,
  },
);

export const Tags = Type.Record(Type.String({ pattern: "^[A-Za-z0-9._/-]{1,63}$" }), Type.String({ maxLength: 255 }), {
  description: "Labels to find sandboxes by.",
  maxProperties: 50,
  additionalProperties: false,
});

export const Argv = Type.Array(Type.String({ maxLength: 131_072 }), {
  maxItems: 4096,
  description: "The command and its arguments; no shell is involved.",
});

export const AbsolutePath = Type.String({ pattern: "^/", maxLength: 4096 });

export const Instant = Type.String({ format: "date-time" });

export const SecretNames = Type.Array(Name, { maxItems: 64 });

export const Isolation = Type.Union([Type.Literal("gvisor"), Type.Literal("container")], {
  description:
    "gvisor: a user-space kernel between the program and the machine. container: namespaces, seccomp and cgroups on the machine's own kernel.",
});

export const Pty = Type.Object(
  {
    rows: Type.Integer({ minimum: 1, maximum: 65_535 }),
    cols: Type.Integer({ minimum: 1, maximum: 65_535 }),
    term: Type.Optional(Type.String({ maxLength: 64, description: "Value of TERM; xterm-256color when absent." })),
  },
  closed,
);

export const Result = Type.Object(
  {
    kind: Type.Union([
      Type.Literal("exited"),
      Type.Literal("signalled"),
      Type.Literal("timed_out"),
      Type.Literal("idle_timed_out"),
      Type.Literal("terminated"),
      Type.Literal("out_of_memory"),
      Type.Literal("failed_to_start"),
      Type.Literal("lost"),
    ]),
    exitCode: Type.Integer({
      description: "As a shell reports it: 124 for a time limit, 137 for terminated, 128+n for signal n.",
    }),
    signal: Type.Optional(Type.String({ description: "Name of the signal, such as SIGKILL." })),
    message: Type.Optional(Type.String({ description: "Why, in words, when the exit code does not say it." })),
  },
  closed,
);

export type Isolation = Static<typeof Isolation>;
export type Pty = Static<typeof Pty>;
export type Result = Static<typeof Result>;
