# plan: --target=buidl
FROM scratch AS build
