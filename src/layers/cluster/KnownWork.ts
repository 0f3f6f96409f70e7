/**
 * Messages to workflows that only a newer release knows stay in the engine's tables. The engine would wait a minute for
 * somebody to register such a workflow and then answer it with a defect, which would be its end. Whoever is of the
 * newer release finds them when it takes over the shard.
 */
import { Effect } from "effect"
import type { MessageStorage } from "effect/cluster"
import { BuildInstance } from "../../actors/BuildInstance.ts"
import { ConfigureInstance } from "../../actors/ConfigureInstance.ts"
import { DeleteInstance } from "../../actors/DeleteInstance.ts"
import { RebuildInstance } from "../../actors/RebuildInstance.ts"
import { ResizeInstance } from "../../actors/ResizeInstance.ts"
import { RestartInstance } from "../../actors/RestartInstance.ts"
import { StartInstance } from "../../actors/StartInstance.ts"
import { StopInstance } from "../../actors/StopInstance.ts"
import { TakeBackInstance } from "../../actors/TakeBackInstance.ts"
import { UpgradeInstance } from "../../actors/UpgradeInstance.ts"

/** What the engine calls the mailboxes of workflows; its own have another dash behind. */
const prefix = "Workflow/"
const own = `${prefix}-/`

/** The workflows of this release. */
const ours: ReadonlyArray<string> = [
  BuildInstance,
  ConfigureInstance,
  DeleteInstance,
  RebuildInstance,
  ResizeInstance,
  RestartInstance,
  StartInstance,
  StopInstance,
  TakeBackInstance,
  UpgradeInstance
].map(({ _tag }) => _tag)

/** `storage`, of which no message is read to a workflow that is none of these. */
export const knownWork = (storage: MessageStorage.Encoded, workflows = ours): MessageStorage.Encoded => {
  const isKnown = (entityType: string) =>
    !entityType.startsWith(prefix) || entityType.startsWith(own) || workflows.includes(entityType.slice(prefix.length))
  return {
    ...storage,
    unprocessedMessages: (...asked) =>
      Effect.map(storage.unprocessedMessages(...asked), (messages) =>
        messages.filter(({ envelope }) => isKnown(envelope.address.entityType))
      )
  }
}
