# plan: --target=Two
FROM scratch AS one
FROM scratch AS two
ARG TARGETSTAGE
LABEL stage=$TARGETSTAGE
