/** `--config`, the same for every command that reads the configuration. */
import { existsSync } from "node:fs"
import { Config, Effect, Option } from "effect"
import { Flag } from "effect/cli"

/** Read without being asked for, where it is. */
export const defaultFile = "/etc/coffer/coffer.toml"

const usual = Effect.sync(() => (existsSync(defaultFile) ? Option.some(defaultFile) : Option.none()))

/** The file; none, if none is named and there is none at the usual place: then variables alone are read. */
export const configFlag = Flag.String("config").pipe(
  Flag.withDescription(`The configuration file (COFFER_CONFIG); if unset, ${defaultFile}, if it is there`),
  Flag.withFallbackConfig(Config.String("COFFER_CONFIG")),
  Flag.optional,
  Flag.mapEffect((path) => (Option.isSome(path) ? Effect.succeed(path) : usual))
)
