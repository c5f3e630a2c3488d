# plan: --platform=linux/arm64/v8
FROM --platform=$BUILDPLATFORM busybox AS compile
ARG TARGETPLATFORM
ARG TARGETARCH
ARG BUILDARCH
RUN echo $TARGETARCH
FROM scratch
ARG TARGETOS
COPY --from=compile /out/$TARGETOS /
