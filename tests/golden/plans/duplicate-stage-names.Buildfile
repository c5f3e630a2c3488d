# plan:
FROM scratch AS a
COPY one /
FROM a AS a
COPY two /
FROM a
COPY three /
