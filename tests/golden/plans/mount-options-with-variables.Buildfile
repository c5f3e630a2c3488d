# plan: --build-arg KIND=tmpfs
FROM busybox
ARG KIND=cache
ARG PLACE=/there
RUN --mount=type=$KIND,target=${PLACE}/in true
