/** `coffer guestagent`: the databases of this machine, with an agent for each. One on every such machine. */
import { totalmem } from "node:os"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { DatabasesOutliveAgents } from "../../guest/GuestAgent.ts"
import { guestExchange } from "../broker/GuestRights.ts"
import { type ConfigurationOf, healthAddress } from "../config/Configuration.ts"
import { DataFolder } from "../embedded/DataFolder.ts"
import * as FolderGuestHosts from "../embedded/FolderGuestHosts.ts"
import * as Host from "../embedded/Host.ts"
import * as LocalCompute from "../embedded/LocalCompute.ts"
import * as LocalInventory from "../embedded/LocalInventory.ts"
import * as NftFirewall from "../embedded/NftFirewall.ts"
import { PostgresBinaries } from "../embedded/PostgresBinaries.ts"
import { replayFile } from "../embedded/ReplayFile.ts"
import * as VolumeKinds from "../embedded/VolumeKinds.ts"
import * as RabbitFabric from "../fabric/RabbitFabric.ts"
import * as GuestProtections from "../fabric/secure/GuestProtections.ts"
import * as GuestHost from "../guesthost/GuestHost.ts"
import * as RabbitGuestLinks from "../guesthost/RabbitGuestLinks.ts"
import * as Health from "../Health.ts"
import * as Checks from "./Checks.ts"
import { names, tlsFiles } from "./ControlPlane.ts"

type Config = ConfigurationOf<"guestagent">

const megabyte = 1 << 20

/** The machine's own way into the fabric, with the login that `coffer host add` made for it. */
const fabric = (config: Config) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { root } = yield* DataFolder
      const { broker, guestagent } = config
      return RabbitFabric.layer({
        urls: guestagent.urls,
        tls: yield* tlsFiles(broker),
        names: broker.shared_guest_credentials ? names(config) : guestExchange(names(config)),
        server: guestagent.name,
        prefetch: broker.prefetch,
        restricted: !broker.shared_guest_credentials
      }).pipe(Layer.provide(GuestProtections.host(guestagent.name, guestagent.key, replayFile(join(root, "replay")))))
    })
  )

const guestLinks = ({ broker }: Config) =>
  Layer.unwrap(Effect.map(tlsFiles(broker), (tls) => RabbitGuestLinks.layer({ queues: broker.queues, tls })))

const compute = (config: Config) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { instances } = yield* DataFolder
      const found = yield* Host.inspect(config.guestagent.runtime)
      return Layer.merge(LocalCompute.layer, LocalInventory.layer).pipe(
        Layer.provide([FolderGuestHosts.layer(instances), guestLinks(config), Host.layer(found)]),
        Layer.provide(VolumeKinds.layer(config.guestagent.volumes, instances)),
        // The host tells what it is good for.
        Layer.provideMerge(NftFirewall.layer(instances))
      )
    })
  )

export const layer = (config: Config) => {
  const { addresses, data_dir, name, zone } = config.guestagent
  const memoryMb = Math.floor(totalmem() / megabyte)
  const host = Layer.unwrap(
    Effect.map(DataFolder, ({ root }) =>
      GuestHost.layer({ name, addresses, memoryMb, zone, orders: replayFile(join(root, "orders")) })
    )
  )
  return host.pipe(
    Layer.provide(compute(config)),
    Layer.merge(Health.serve(healthAddress(config, "guestagent"))),
    Layer.provide(Checks.ofFabric),
    Layer.provide(Health.layer("guestagent")),
    Layer.provide(fabric(config)),
    Layer.provide(PostgresBinaries.layer),
    Layer.provide(DataFolder.layer(data_dir)),
    Layer.provide(Layer.succeed(DatabasesOutliveAgents, true)),
    Layer.provide(NodeServices.layer)
  )
}
