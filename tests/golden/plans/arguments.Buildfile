# plan: --build-arg VERSION=2 --build-arg EMPTY=
ARG VERSION=1
ARG BASE=scratch
FROM $BASE
ARG VERSION
ARG EMPTY=default
ARG OWN=${VERSION}.0
LABEL version=$VERSION empty="<$EMPTY>" own=$OWN
