/** The taskmanager with everything that it runs: the actors, and the operations that they start. */
import { Layer } from "effect"
import * as BuildInstance from "./BuildInstance.ts"
import * as ConfigureInstance from "./ConfigureInstance.ts"
import * as DeleteInstance from "./DeleteInstance.ts"
import * as InstanceActor from "./InstanceActor.ts"
import * as RebuildInstance from "./RebuildInstance.ts"
import * as ResizeInstance from "./ResizeInstance.ts"
import * as RestartInstance from "./RestartInstance.ts"
import * as StartInstance from "./StartInstance.ts"
import * as StopInstance from "./StopInstance.ts"
import * as TakeBackInstance from "./TakeBackInstance.ts"
import * as Taskmanager from "./Taskmanager.ts"
import * as UpgradeInstance from "./UpgradeInstance.ts"

export const layer = Taskmanager.layer.pipe(
  Layer.provideMerge(InstanceActor.layer),
  Layer.provide([
    BuildInstance.layer,
    RestartInstance.layer,
    ConfigureInstance.layer,
    UpgradeInstance.layer,
    ResizeInstance.layer,
    StopInstance.layer,
    StartInstance.layer,
    RebuildInstance.layer,
    DeleteInstance.layer,
    TakeBackInstance.layer
  ])
)
