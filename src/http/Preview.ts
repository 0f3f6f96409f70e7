/**
 * `?preview=true`: what a change would do, told instead of done. An extension. Where it is not offered the gate refuses
 * it, lest a change be made that somebody only meant to look at.
 */
import { Context, Option, Schema } from "effect"
import { HttpServerRequest, type HttpServerResponse } from "effect/http"
import type { Foreseen } from "../services/Previews.ts"
import { statusOf } from "../services/Status.ts"
import { badRequest, faultResponse } from "./Faults.ts"

/** Whether an endpoint offers it; one that does has `previewQuery`, and `Previewed` among its answers. */
export const OffersPreview = Context.Reference<boolean>("coffer/http/OffersPreview", { defaultValue: () => false })

const mustBeFlag = { message: "must be true or false" }
export const previewQuery = {
  preview: Schema.optionalKey(
    Schema.String.check(Schema.isPattern(/^(true|false)$/i, mustBeFlag)).annotate({
      ...mustBeFlag,
      description: "Whether to tell what it would do, and change nothing."
    })
  )
}

export const isPreview = ({ preview }: { readonly preview?: string }) => preview?.toLowerCase() === "true"

const Seconds = Schema.Number.annotate({ description: "Seconds, to a tenth." })

/** 200, in place of 202 and nothing to say. */
export const Previewed = Schema.Struct({
  preview: Schema.Struct({
    instances: Schema.Array(
      Schema.Struct({
        id: Schema.String,
        name: Schema.String,
        status_during: Schema.String,
        /** Whether it takes a restart: one that the change makes, or one that it waits for. */
        restart: Schema.Boolean,
        reason: Schema.String,
        /** As its own history tells of the same; null where it has never done that. */
        expected_seconds: Schema.NullOr(Schema.Struct({ typical: Seconds, longest: Seconds })),
        /** Of how many runs that is known. */
        based_on: Schema.Number
      })
    )
  })
})

const seconds = (millis: number) => Math.round(millis / 100) / 10

export const previewView = (instances: ReadonlyArray<Foreseen>): typeof Previewed.Type => ({
  preview: {
    instances: instances.map(({ basedOn, during, expected, id, name, reason, restart }) => ({
      id,
      name,
      status_during: statusOf(during),
      restart,
      reason,
      expected_seconds:
        expected === null ? null : { typical: seconds(expected.typical), longest: seconds(expected.longest) },
      based_on: basedOn
    }))
  }
})

export const notOffered = badRequest("A preview of this is not offered (preview=true). Nothing was changed.")

const changing: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH", "DELETE"])

/** The answer to a preview that is asked for where there is none. */
export const refusePreview = (
  request: HttpServerRequest.HttpServerRequest,
  isOffered: boolean
): HttpServerResponse.HttpServerResponse | null => {
  if (isOffered || !changing.has(request.method)) return null
  const asked = Option.match(HttpServerRequest.toURL(request), {
    onNone: () => [],
    onSome: ({ searchParams }) => searchParams.getAll("preview")
  })
  return asked.every((value) => value.toLowerCase() === "false") ? null : faultResponse(400, notOffered)
}
