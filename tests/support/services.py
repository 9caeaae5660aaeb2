"""Two backends that have a token of the broker's."""

SHOP = {"Authorization": "Bearer shop-token-of-16-and-more"}
DESK = {"Authorization": "Bearer desk-token-of-16-and-more"}
SERVICES = {
    "service_tokens": "shop:shop-token-of-16-and-more, desk:desk-token-of-16-and-more",
    "visitor_controls": "",
}
