# plan: --build-context tools=../plans --build-context stage=docker-image://busybox
FROM scratch AS stage
COPY never /
FROM scratch
COPY --from=tools a /
COPY --from=stage /bin/busybox /
