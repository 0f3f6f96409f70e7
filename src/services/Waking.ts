/**
 * Tells the taskmanager that an instance's mailbox has a command. That is a row already: a lost wake-up costs the time
 * to the next sweep, never the request, which does not wait for a broker that is away.
 */
import { Effect } from "effect"
import { Fabric } from "./Fabric.ts"
import type { InstanceId } from "./Ids.ts"
import { TaskmanagerApi, taskmanagerTopic } from "./TaskmanagerApi.ts"

export const makeWake = Effect.map(Fabric, (fabric) => {
  const taskmanager = fabric.client(taskmanagerTopic, TaskmanagerApi)
  return (id: InstanceId) =>
    Effect.catchTag(taskmanager.wake({ instance_id: id }), "FabricError", (error) =>
      Effect.logWarning("the taskmanager was not woken; a sweep will find the command", error.message).pipe(
        Effect.annotateLogs({ instance: id })
      )
    ).pipe(Effect.forkDetach, Effect.asVoid)
})
