/** What is wrong with a configuration: always all of it, and never the value of anything. */
import { Schema } from "effect"
import { plain } from "./terminalText.ts"

export const Problem = Schema.Struct({
  /** The file, or the variable. */
  where: Schema.String,
  /** "broker.prefetch"; empty when it is the whole file. */
  setting: Schema.String,
  /** Reads after the setting: "must be …". */
  rule: Schema.String
})
export type Problem = typeof Problem.Type

/** Names come from a file that anybody may have written. */
export const render = ({ rule, setting, where }: Problem): string =>
  plain(`${where}: ${setting === "" ? "" : `${setting} `}${rule}`)

export class ConfigurationInvalid extends Schema.TaggedError<ConfigurationInvalid>()("ConfigurationInvalid", {
  problems: Schema.Array(Problem)
}) {
  override get message() {
    return ["the configuration cannot be used:", ...this.problems.map(render)].join("\n  ")
  }
}
