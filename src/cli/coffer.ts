/** The commands of coffer, and where each is. */
import { Command } from "effect/cli"
import { instance } from "./instance.ts"
import { up } from "./up.ts"

export const coffer = Command.make("coffer").pipe(
  Command.withDescription("Databases as a service, with OpenStack Trove's API"),
  Command.withSubcommands([up, instance])
)
