# plan:
FROM scratch
ARG A
COPY ${A:?needed} /
