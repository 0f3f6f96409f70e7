/**
 * Export of traces, logs and metrics over OTLP, turned on by OpenTelemetry's own variables
 * (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES` …). Without them no span is made.
 */
import { ConfigProvider, Layer, References } from "effect"
import { FetchHttpClient } from "effect/http"
import { Otlp, OtlpSerialization } from "effect/observability"

/** The variables any of which asks for export. */
const switches = [
  "OTEL_EXPORTER_OTLP_ENDPOINT",
  "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
  "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
  "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"
]

const isWanted = switches.some((name) => (process.env[name] ?? "") !== "")

/** OpenTelemetry's own default, which effect leaves out: a signal with an endpoint is exported. */
const exporters = ConfigProvider.layerAdd(
  ConfigProvider.fromUnknown({
    OTEL_TRACES_EXPORTER: "otlp",
    OTEL_METRICS_EXPORTER: "otlp",
    OTEL_LOGS_EXPORTER: "otlp"
  })
)

/** Provide it outermost: whatever is built inside is traced. `serviceName`: what it is called if no variable says. */
export const layerOf = (serviceName: string) =>
  isWanted
    ? Otlp.layerFromConfig({ resource: { serviceName }, loggerMergeWithExisting: true }).pipe(
        Layer.provide([FetchHttpClient.layer, OtlpSerialization.layerJson, exporters])
      )
    : Layer.succeed(References.TracerEnabled, false)

export const layer = layerOf("coffer")
