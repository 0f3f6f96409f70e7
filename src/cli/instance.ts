/** `coffer instance …`: database instances, ordered, looked at and given back over the REST API. */
import { Command } from "effect/cli"
import { access } from "./accessInstance.ts"
import { create } from "./createInstance.ts"
import { deletion } from "./deleteInstance.ts"
import { list } from "./listInstances.ts"
import { diagnostics, hwinfo } from "./machineOfInstance.ts"
import { rebuild } from "./rebuildInstance.ts"
import { rename } from "./renameInstance.ts"
import { resize } from "./resizeInstance.ts"
import { show } from "./showInstance.ts"
import { restart, start, stop } from "./switchInstance.ts"
import { upgrade } from "./upgradeInstance.ts"

export const instance = Command.make("instance").pipe(
  Command.withDescription(
    "Order database instances, look at them, rename, restart, resize, stop, start, upgrade, rebuild, open and delete them"
  ),
  Command.withSubcommands([
    create,
    list,
    show,
    rename,
    access,
    restart,
    resize,
    stop,
    start,
    upgrade,
    deletion,
    rebuild,
    hwinfo,
    diagnostics
  ])
)
