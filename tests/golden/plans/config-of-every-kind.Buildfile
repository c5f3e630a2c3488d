# plan: --label cli=1 --label both=cli
FROM scratch
MAINTAINER me
LABEL both=file only=file
ENV E=1 F="two words"
EXPOSE 80 443/udp 10-12
VOLUME /v /w
USER me:us
WORKDIR /
STOPSIGNAL TERM
HEALTHCHECK --interval=5s --start-period=1m CMD ["true"]
ONBUILD RUN true
SHELL ["/s"]
ENTRYPOINT run
CMD ["a"]
