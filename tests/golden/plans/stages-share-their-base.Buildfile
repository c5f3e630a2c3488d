# plan:
FROM busybox AS base
RUN echo base
FROM base AS left
RUN echo left > /left
FROM base AS right
RUN echo right > /right
FROM scratch
COPY --from=left /left /
COPY --from=right /right /
