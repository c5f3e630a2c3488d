# plan:
FROM busybox AS base
ONBUILD COPY --from=files /data /data
ONBUILD ENV FROM_TRIGGER=1
ONBUILD RUN echo trigger
FROM scratch AS files
COPY data /
FROM base AS middle
RUN echo after
FROM middle
