/**
 * A guest host's way into the broker, as an operator gives it to one: it may take from its own queue, tell the
 * conductor, and answer. Asking again gives the same.
 */
import { Effect, type Redacted } from "effect"
import { conductorTopic } from "../../services/ConductorApi.ts"
import { guestHostTopic } from "../../services/GuestHostApi.ts"
import { hostKey } from "../fabric/secure/ControlPlaneProtections.ts"
import * as BrokerTopology from "./BrokerTopology.ts"
import { rightsOfHost } from "./GuestRights.ts"
import { withLogin } from "./GuestUrls.ts"
import * as Logins from "./Logins.ts"
import * as Management from "./Management.ts"
import type { Options } from "./RabbitGuestAccess.ts"

type KeyEncryptionKey = Redacted.Redacted<Uint8Array>

/** What a guest host is started with. */
export interface HostLink {
  readonly urls: ReadonlyArray<Redacted.Redacted>
  /** 32 bytes. */
  readonly key: Redacted.Redacted<Uint8Array>
}

const userOf = (name: string) => `host-${name}`

/** With a login that all guests and hosts share. */
export const shared = (kek: KeyEncryptionKey, urls: ReadonlyArray<Redacted.Redacted>, name: string): HostLink => ({
  urls,
  key: hostKey(kek, name)
})

/** With a login of its own. */
export const grant = Effect.fn("HostAccess.grant")(function* (
  { guestUrls, managementUrl, names, vhost }: Options,
  kek: KeyEncryptionKey,
  name: string
) {
  const management = yield* Management.make(managementUrl)
  const topology = BrokerTopology.make({ management, vhost, names })
  const key = hostKey(kek, name)
  const [user, password] = [userOf(name), Logins.passwordOf(key)]
  yield* topology.ensureShared
  yield* topology.ensureHost(name)
  yield* Logins.make(management, vhost).ensure(user, password, rightsOfHost(name, conductorTopic, names))
  const urls = yield* Effect.forEach(guestUrls, (url) => withLogin(url, { user, password, vhost }))
  return { urls, key } satisfies HostLink as HostLink
})

/** Nothing is left of it: login, connections, queue. */
export const revoke = Effect.fn("HostAccess.revoke")(function* ({ managementUrl, vhost }: Options, name: string) {
  const management = yield* Management.make(managementUrl)
  yield* Logins.make(management, vhost).remove(userOf(name))
  yield* management.remove(["queues", vhost, guestHostTopic(name)])
})
