# plan: --platform=linux/amd64,linux/arm64
FROM --platform=$BUILDPLATFORM busybox AS compile
RUN echo once
FROM scratch
ARG TARGETARCH
COPY --from=compile /out/$TARGETARCH /
