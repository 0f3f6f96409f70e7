/** Who has a key, and on which topic he is spoken to. */
import { Option, Schema } from "effect"
import { auditTopic } from "../../../services/AuditApi.ts"
import { conductorTopic, HostName } from "../../../services/ConductorApi.ts"
import { guestTopic } from "../../../services/GuestApi.ts"
import { guestHostTopic } from "../../../services/GuestHostApi.ts"
import { taskmanagerTopic } from "../../../services/TaskmanagerApi.ts"

/** A machine that guests live on, as the sender of a message. */
export const hostParty = (name: string) => `host:${name}`

/** All processes of the control plane are one party to each other. */
export const controlParty = "control"

const isHostName = Schema.is(HostName)

const after = (prefix: string, text: string) =>
  text.startsWith(prefix) ? Option.some(text.slice(prefix.length)) : Option.none()

/** The name of the host that calls itself so. */
export const hostNameOf = (party: string): Option.Option<string> =>
  Option.filter(after(hostParty(""), party), isHostName)

/** Who serves a topic. */
export type Addressee =
  | { readonly _tag: "Guest"; readonly instance: string }
  | { readonly _tag: "Host"; readonly name: string }
  | { readonly _tag: "Taskmanager" }
  | { readonly _tag: "Conductor" }
  | { readonly _tag: "Nobody" }

export const addresseeOf = (topic: string): Addressee => {
  if (topic === conductorTopic) return { _tag: "Conductor" }
  if (topic === taskmanagerTopic || topic === auditTopic) return { _tag: "Taskmanager" }
  const instance = after(guestTopic(""), topic)
  if (Option.isSome(instance)) return { _tag: "Guest", instance: instance.value }
  const name = Option.filter(after(guestHostTopic(""), topic), isHostName)
  return Option.isSome(name) ? { _tag: "Host", name: name.value } : { _tag: "Nobody" }
}
