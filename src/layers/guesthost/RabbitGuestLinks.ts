/** Guests' ways into the fabric over RabbitMQ: each has a connection with its own login, and its own key. */
import { Effect, Layer, Schema } from "effect"
import { InstanceId } from "../../services/Ids.ts"
import { GuestLinkError, GuestLinks } from "../embedded/GuestLinks.ts"
import type { TlsFiles } from "../fabric/amqp/Connection.ts"
import type { QueueKind } from "../fabric/oslo/Topology.ts"
import * as RabbitFabric from "../fabric/RabbitFabric.ts"
import * as GuestProtections from "../fabric/secure/GuestProtections.ts"
import { Protections } from "../fabric/secure/Protection.ts"

/** How many messages one guest has in hand at once. */
const prefetch = 16

const isInstanceId = Schema.is(InstanceId)

export const layer = (options: { readonly queues: QueueKind; readonly tls: TlsFiles }): Layer.Layer<GuestLinks> =>
  Layer.succeed(GuestLinks, {
    open: Effect.fn("GuestLinks.open")(function* (link, instanceId, floor) {
      if (link === null) return yield* new GuestLinkError({ detail: "the guest was given no link to the broker" })
      if (!isInstanceId(instanceId)) return yield* new GuestLinkError({ detail: `${instanceId} is no instance id` })
      const protections = yield* GuestProtections.makeGuest(instanceId, link, floor)
      const { fabric } = yield* RabbitFabric.make({
        urls: link.urls,
        tls: options.tls,
        names: { exchange: link.controlExchange, queues: options.queues },
        server: instanceId,
        prefetch,
        restricted: !link.declares
      }).pipe(Effect.provideService(Protections, protections))
      return fabric
    })
  })
