export * from "./errors.ts";
export * from "./openapi.ts";
export * from "./routes.ts";
export type * from "./schemas.ts";
export * as schema from "./schemas.ts";
