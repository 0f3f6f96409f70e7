/** `coffer instance …`: database instances, ordered, looked at and given back over the REST API. */
import { Command } from "effect/cli"
import { create } from "./createInstance.ts"
import { deletion } from "./deleteInstance.ts"
import { list } from "./listInstances.ts"
import { rename } from "./renameInstance.ts"
import { resize } from "./resizeInstance.ts"
import { restart } from "./restartInstance.ts"
import { show } from "./showInstance.ts"

export const instance = Command.make("instance").pipe(
  Command.withDescription("Order database instances, look at them, rename, restart, resize and delete them"),
  Command.withSubcommands([create, list, show, rename, restart, resize, deletion])
)
