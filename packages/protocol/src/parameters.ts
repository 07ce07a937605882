/** Parameters that operations of several nouns take. */
import Type from "typebox";

export const sandboxId = Type.String({ maxLength: 64, description: "Id of a sandbox." });
export const ofSandbox = Type.Object({ sandboxId });
export const waitQuery = Type.Object(
  {
    timeoutMs: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 60_000,
        description: "Answer with the present state after this long at the latest; 0 answers at once. Default 30000.",
      }),
    ),
  },
  { additionalProperties: false },
);
export const offset = Type.Optional(Type.Integer({ minimum: 0, description: "First byte wanted; 0 when absent." }));
