# plan: --build-arg VERSON=1
FROM scratch
ARG VERSION
