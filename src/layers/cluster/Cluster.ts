/** Taskmanagers find each other in the database, and speak to each other at their addresses. */
import { NodeClusterSocket } from "@effect/platform-node"
import { Layer, Option } from "effect"
import { ClusterWorkflowEngine, RunnerAddress, RunnerHealth, ShardingConfig, SocketRunner } from "effect/cluster"
import { RpcSerialization } from "effect/rpc"
import { lease, look, messagePoll, renewal, terminationTimeout } from "./Lease.ts"
import * as Presence from "./Presence.ts"
import * as SteadyStorage from "./SteadyStorage.ts"

export interface Options {
  readonly host: string
  readonly port: number
}

export const addressOf = ({ host, port }: Options) => `${host}:${port}`

/** Needs sessions that are called `Lease.sessionName` of its address. */
export const layer = (options: Options) => {
  const settings = ShardingConfig.layerFromEnv({
    runnerAddress: Option.some(RunnerAddress.make(options.host, options.port)),
    maxResidentEntities: "unbounded",
    shardLockExpiration: lease,
    shardLockRefreshInterval: renewal,
    refreshAssignmentsInterval: look,
    entityMessagePollInterval: messagePoll,
    entityTerminationTimeout: terminationTimeout
  })
  return ClusterWorkflowEngine.layer.pipe(
    Layer.provideMerge(
      SocketRunner.layer.pipe(
        Layer.provide([NodeClusterSocket.layerSocketServer, NodeClusterSocket.layerClientProtocol]),
        // Who is there is PostgreSQL's to say (Presence.ts): what one process can reach decides nothing for all.
        Layer.provide(RunnerHealth.layerNoop)
      )
    ),
    Layer.provideMerge(SteadyStorage.layer),
    Layer.provide(Presence.layer(addressOf(options))),
    Layer.provide(settings),
    Layer.provide(RpcSerialization.layerSchemaBinary())
  )
}
