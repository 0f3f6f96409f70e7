/**
 * The protections of the api, the taskmanager and the conductor: they know every guest's key from the keyring, and
 * derive the hosts' and their own from the key that encrypts all the others.
 *
 * A message is taken in the form that its sender was given at build and in no other: who has a key of ours cannot
 * be made to look like one of Trove's guests, whose messages can be altered and repeated.
 */
import { Effect, Layer, Option, type Redacted } from "effect"
import type { AgentKind } from "../../../services/GuestAccess.ts"
import { derive, type Origin } from "./Derive.ts"
import { Keyring } from "./Keyring.ts"
import { type Answering, onlyAnswering, onlyAsking } from "./OneSided.ts"
import { addresseeOf, controlParty, hostNameOf, hostParty } from "./Parties.ts"
import { type Protection, ProtectionRefused, Protections } from "./Protection.ts"
import * as ReplayGuard from "./ReplayGuard.ts"
import * as Sealed from "./SealedProtection.ts"
import * as Sequence from "./Sequence.ts"
import * as Trove from "./TroveProtection.ts"

/** 32 bytes. */
type KeyEncryptionKey = Redacted.Redacted<Uint8Array>

/** A host's own key. Its operator gives it to the host; nothing else can be told from it. */
export const hostKey = (kek: KeyEncryptionKey, name: string): Redacted.Redacted<Uint8Array> =>
  derive(kek, `host ${name}`)

const refused = (reason: string) => Effect.fail(new ProtectionRefused({ reason }))

const make = Effect.fnUntraced(function* (kek: KeyEncryptionKey) {
  const keyring = yield* Keyring
  const next = yield* Sequence.make

  const taskmanager = Sealed.both(
    { kind: "news", party: controlParty, key: derive(kek, controlParty) },
    next,
    yield* ReplayGuard.make(yield* ReplayGuard.inMemory, ReplayGuard.maxRemembered, null)
  )

  const toHost = (name: string) =>
    onlyAsking(Sealed.asking({ kind: "request", party: hostParty(name), key: hostKey(kek, name) }, next))

  const toGuest = Effect.fnUntraced(function* (instance: string) {
    const known = yield* keyring.find(instance)
    if (Option.isNone(known)) return yield* refused("the guest has no key")
    const { key, protocol } = known.value
    return protocol === "trove"
      ? Trove.toGuest(key)
      : onlyAsking(Sealed.asking({ kind: "request", party: instance, key }, next))
  })

  /** How the reports of one party are opened. A repeat is for the store of reports to know. */
  const reporter = Effect.fnUntraced(function* (claimed: string, form: AgentKind) {
    const sealedBy = (key: Origin): Answering =>
      Sealed.answering({ kind: "report", party: claimed, key }, ReplayGuard.toldElsewhere)
    const host = hostNameOf(claimed)
    if (form === "coffer" && Option.isSome(host)) return sealedBy(hostKey(kek, host.value))
    const known = Option.filter(yield* keyring.find(claimed), ({ protocol }) => protocol === form)
    if (Option.isNone(known)) return yield* refused("whom it says to be from has no key of this form")
    const { key } = known.value
    return form === "trove" ? Trove.fromGuest(claimed, key) : sealedBy(key)
  })

  const conductor: Protection = onlyAnswering({
    openRequest: Effect.fnUntraced(function* (request) {
      const party = Sealed.claimedParty(request.args)
      if (Option.isSome(party)) return yield* (yield* reporter(party.value, "coffer")).openRequest(request)
      const guest = Trove.claimedSender(request.context)
      if (Option.isNone(guest)) return yield* refused(`${request.method} is in clear text`)
      return yield* (yield* reporter(guest.value, "trove")).openRequest(request)
    }),
    // Reports are told and not answered; who asks for an answer all the same learns nothing by it.
    sealReply: (reply) => Effect.succeed({ ...reply, result: null, failure: null })
  })

  const of: Protections["Service"]["of"] = (topic) => {
    const addressee = addresseeOf(topic)
    switch (addressee._tag) {
      case "Guest":
        return toGuest(addressee.instance)
      case "Host":
        return Effect.succeed(toHost(addressee.name))
      case "Taskmanager":
        return Effect.succeed(taskmanager)
      case "Conductor":
        return Effect.succeed(conductor)
      case "Nobody":
        return refused(`no key is known for messages of the topic ${topic}`)
    }
  }
  return Protections.of({ of })
})

export const layer = (kek: KeyEncryptionKey): Layer.Layer<Protections, never, Keyring> =>
  Layer.effect(Protections, make(kek))
