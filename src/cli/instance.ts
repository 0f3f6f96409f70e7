/** `coffer instance …`: database instances, ordered, looked at and given back over the REST API. */
import { Command } from "effect/cli"
import { create } from "./createInstance.ts"
import { deletion } from "./deleteInstance.ts"
import { list } from "./listInstances.ts"
import { rename } from "./renameInstance.ts"
import { restart } from "./restartInstance.ts"
import { show } from "./showInstance.ts"
import { upgrade } from "./upgradeInstance.ts"

export const instance = Command.make("instance").pipe(
  Command.withDescription("Order database instances, look at them, rename, restart, upgrade and delete them"),
  Command.withSubcommands([create, list, show, rename, restart, upgrade, deletion])
)
