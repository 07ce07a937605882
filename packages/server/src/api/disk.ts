import type { DiskSurvey } from "../disk/survey.ts";
import type { Handlers } from "./call.ts";

export function diskHandlers(survey: DiskSurvey): Pick<Handlers, "diskUse"> {
  return { diskUse: ({ signal }) => survey.take(signal) };
}
