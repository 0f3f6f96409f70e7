/** The api's side of the store for databases that are stopped and started: each is a command, where the state allows it. */
import { Context, type Effect } from "effect"
import type { InstanceId } from "./Ids.ts"
import { isInService, type ShownState } from "./Status.ts"

/** What is asked of the database as a whole. */
export type Switch = "restart" | "stop" | "start"

/** In which states an instance can be asked that. A restart starts what is stopped. */
export const hears: Record<Switch, (state: ShownState) => boolean> = {
  restart: (state) => isInService(state) || state === "Stopped",
  stop: isInService,
  start: (state) => state === "Stopped"
}

export class Switching extends Context.Service<
  Switching,
  {
    /**
     * The Stop command, where the instance is in service and neither a restart nor a stop of it was asked for; false, and
     * nothing written, anywhere else.
     */
    readonly requestStop: (id: InstanceId) => Effect.Effect<boolean>
    /** The Start command, where it is stopped and no start was asked for; false, and nothing written, anywhere else. */
    readonly requestStart: (id: InstanceId) => Effect.Effect<boolean>
  }
>()("coffer/services/Switching") {}
