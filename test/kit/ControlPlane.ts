/** How taskmanager and conductor are put together for virtual time, over whatever cluster and compute a test has. */
import { NodeCrypto } from "@effect/platform-node"
import { Duration, Effect, Layer } from "effect"
import {
  ClusterWorkflowEngine,
  MessageStorage,
  RunnerHealth,
  RunnerStorage,
  Runners,
  Sharding,
  ShardingConfig,
  Snowflake
} from "effect/cluster"
import * as Auditor from "../../src/actors/Auditor.ts"
import * as Audits from "../../src/actors/Audits.ts"
import * as BuildInstance from "../../src/actors/BuildInstance.ts"
import * as ConfigureInstance from "../../src/actors/ConfigureInstance.ts"
import * as DeleteInstance from "../../src/actors/DeleteInstance.ts"
import * as InstanceActor from "../../src/actors/InstanceActor.ts"
import * as RebuildInstance from "../../src/actors/RebuildInstance.ts"
import * as ResizeInstance from "../../src/actors/ResizeInstance.ts"
import * as RestartInstance from "../../src/actors/RestartInstance.ts"
import * as StartInstance from "../../src/actors/StartInstance.ts"
import * as StopInstance from "../../src/actors/StopInstance.ts"
import * as TakeBackInstance from "../../src/actors/TakeBackInstance.ts"
import * as Taskmanager from "../../src/actors/Taskmanager.ts"
import * as UpgradeInstance from "../../src/actors/UpgradeInstance.ts"
import { knownWork } from "../../src/layers/cluster/KnownWork.ts"
import * as SteadyStorage from "../../src/layers/cluster/SteadyStorage.ts"
import { PortProbe } from "../../src/layers/embedded/PortProbe.ts"
import * as NoJournal from "../../src/layers/memory/NoJournal.ts"
import type { CatalogContents } from "../../src/services/Catalog.ts"
import * as Conductor from "../../src/services/Conductor.ts"
import * as OfferedCatalog from "../../src/services/catalog/OfferedCatalog.ts"
import * as FakeDatabases from "./FakeDatabases.ts"

export const catalog: CatalogContents = {
  flavors: [
    { id: "1", name: "small", ram: 512, vcpus: 1, disk: 1, ephemeral: 0 },
    { id: "2", name: "medium", ram: 1024, vcpus: 2, disk: 2, ephemeral: 0 }
  ],
  datastores: [
    {
      id: "ds-1",
      name: "postgresql",
      defaultVersion: "v-1",
      versions: [
        { id: "v-1", name: "18", version: "18", manager: "postgresql", image: "postgres:18", active: true },
        { id: "v-2", name: "18.4", version: "18.4", manager: "postgresql", image: "postgres:18.4", active: true }
      ]
    }
  ],
  defaultDatastore: "postgresql"
}

/** The cluster's messages, in the driver that survives a process; read as by a process that knows these workflows. */
export const messagesTo = (workflows?: ReadonlyArray<string>) =>
  Layer.effect(
    MessageStorage.MessageStorage,
    Effect.flatMap(MessageStorage.MemoryDriver, ({ encoded }) =>
      MessageStorage.makeEncoded(SteadyStorage.steady(knownWork(encoded, workflows)))
    )
  )

/** As by this release. */
export const messageStorage = messagesTo()

/** A cluster of one, over some storage of messages. */
export const clusterOver = (messages: typeof messageStorage) =>
  ClusterWorkflowEngine.layer.pipe(
    Layer.provideMerge(Sharding.layer),
    Layer.provide(Runners.layerNoop),
    Layer.provideMerge(messages.pipe(Layer.provide(Snowflake.layerGenerator))),
    Layer.provide([RunnerStorage.layerMemory, RunnerHealth.layerNoop]),
    Layer.provide(
      ShardingConfig.layer({
        entityTerminationTimeout: 0,
        entityMessagePollInterval: Duration.millis(50),
        shardsPerGroup: 4
      })
    ),
    Layer.provideMerge(Layer.mergeAll(NodeCrypto.layerSecureRandom, NodeCrypto.layerDigest))
  )

/** A cluster of one. */
export const cluster = clusterOver(messageStorage)

/** Databases that are fake listen on no real address. */
export const probe = Layer.effect(
  PortProbe,
  Effect.map(
    FakeDatabases.FakeDatabases,
    ({ occupied }) =>
      (address: string) =>
        Effect.sync(() => !occupied.has(address))
  )
)

/** Taskmanager and conductor as one process; it requires a cluster, a fabric, a store, compute and guests' access. */
export const rolesWith = (contents: CatalogContents) =>
  Layer.mergeAll(Taskmanager.layer, Layer.effectDiscard(Conductor.serve)).pipe(
    Layer.provideMerge(InstanceActor.layer),
    Layer.provideMerge(
      Layer.mergeAll(
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
      )
    ),
    Layer.provide(OfferedCatalog.layer(contents))
  )

export const roles = rolesWith(catalog)

/** Its audits, which look at servers and guests' access as well. `standing`: the hosts that do not report. */
export const audits = (standing: ReadonlyArray<string>) =>
  Audits.layer.pipe(Layer.provideMerge(Auditor.layer(standing)), Layer.provide(NoJournal.layer))
