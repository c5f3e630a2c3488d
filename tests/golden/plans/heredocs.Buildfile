# plan:
FROM busybox
ARG NAME=world
COPY <<plain <<"quoted" /texts/
hello $NAME
plain
hello $NAME
quoted
RUN <<EOF
echo one
echo two
EOF
RUN <<script
#!/bin/sh
echo three
script
RUN cat <<A >&2 && cat <<B
a
A
b
B
